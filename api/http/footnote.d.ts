// Generated from the OpenAPI description by `python -m api.http.typescript`. Do not edit.

/** The process is alive. */
export interface Alive {
  status: "alive";
}

/** A checked answer. `not_found` has no citations: `answer` says so, and `retrieved` lists the nearest passages. */
export interface AnswerBody {
  question: string;
  answer: string;
  status: "answered" | "partial" | "not_found";
  sentences: SentenceBody[];
  citations: CitationBody[];
  retrieved: RetrievedBody[];
  model: string;
  usage: UsageBody;
  timings_ms: {
    [field: string]: number;
  };
  settings_hash: string;
  /** why there is no answer, or only a partial one: `no_match` (no passage near the question was found, and the model was not asked), `not_in_passages` (the retrieved passages do not answer the question), `unsupported` (the documents do not support what the model wrote), `conflict` (the documents contradict each other, and both are cited), `unreadable_source` (a searched document, or a part of the nearest, was not read; the sentence's `reason` says which); null otherwise */
  reason: "no_match" | "not_in_passages" | "unsupported" | "conflict" | "unreadable_source" | null;
  /** how likely it is that the documents answer the question and that this is the answer */
  confidence: number | null;
  /** the standalone question that was used instead of a follow-up question; null without `history` */
  standalone_question: string | null;
  /** sentences of the model's reply that are not shown, since the documents do not support them */
  left_out: LeftOutBody[];
  /** the thread that the answer was added to; null without `thread_id` */
  thread_id: string | null;
  /** the turn of that thread, for /v1/feedback */
  turn_id: string | null;
}

/** The answer. A refusal is ordinary content, as in any conversation. */
export interface AssistantMessage {
  role: "assistant";
  content: string;
  refusal: null;
  annotations: ChatAnnotation[];
}

/** A rectangle on a page, in PDF points from the page's bottom left corner. `page` starts at 1. */
export interface BoxBody {
  page: number;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A citation in the content. */
export interface ChatAnnotation {
  type: "url_citation";
  url_citation: UrlCitation;
}

/** A chat completion. `footnote` is the Answer itself: verdicts, citations with boxes, the reason of a refusal. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: Choice[];
  usage: CompletionUsage;
  system_fingerprint: string;
  footnote: AnswerBody;
}

/** A message of the conversation. Messages of `system`, `developer`, `tool` and `function` are not read. */
export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool" | "function";
  content?: string | Part[] | null;
  [field: string]: unknown;
}

/** A conversation; its last user message is the question. */
export interface ChatRequest {
  /** `footnote` for all documents, `footnote/COLLECTION` for one collection */
  model: string;
  /** send the answer as server-sent events; false where absent */
  stream?: boolean | null;
  /** accepted and not used */
  temperature?: unknown;
  /** accepted and not used */
  top_p?: unknown;
  /** accepted and not used */
  top_k?: unknown;
  /** accepted and not used */
  min_p?: unknown;
  /** accepted and not used */
  top_logprobs?: unknown;
  /** accepted and not used */
  tools?: unknown;
  /** accepted and not used */
  tool_choice?: unknown;
  /** accepted and not used */
  parallel_tool_calls?: unknown;
  /** accepted and not used */
  metadata?: unknown;
  /** accepted and not used */
  moderation?: unknown;
  /** accepted and not used */
  prompt_cache_key?: unknown;
  /** accepted and not used */
  prompt_cache_options?: unknown;
  /** accepted and not used */
  prompt_cache_retention?: unknown;
  /** accepted and not used */
  safety_identifier?: unknown;
  /** accepted and not used */
  service_tier?: unknown;
  /** accepted and not used */
  store?: unknown;
  /** accepted and not used */
  user?: unknown;
  messages: ChatMessage[];
  /** one choice is made */
  n?: number | null;
  stream_options?: StreamOptions | null;
  response_format?: TextFormat | null;
  modalities?: "text"[] | null;
  /** accepted and not used */
  audio?: unknown;
  /** accepted and not used */
  frequency_penalty?: unknown;
  /** accepted and not used */
  presence_penalty?: unknown;
  /** accepted and not used */
  repetition_penalty?: unknown;
  /** accepted and not used */
  repeat_penalty?: unknown;
  /** accepted and not used */
  function_call?: unknown;
  /** accepted and not used */
  functions?: unknown;
  /** accepted and not used */
  logit_bias?: unknown;
  /** accepted and not used */
  logprobs?: unknown;
  /** accepted and not used */
  max_completion_tokens?: unknown;
  /** accepted and not used */
  max_tokens?: unknown;
  /** accepted and not used */
  prediction?: unknown;
  /** accepted and not used */
  reasoning_effort?: unknown;
  /** accepted and not used */
  seed?: unknown;
  /** accepted and not used */
  stop?: unknown;
  /** accepted and not used */
  verbosity?: unknown;
  /** accepted and not used */
  web_search_options?: unknown;
}

/** The one choice. */
export interface Choice {
  index: 0;
  message: AssistantMessage;
  logprobs: null;
  finish_reason: "stop" | "length";
}

/** A quote that supports a sentence. `quote` is the document's text from character `start` to `end`. */
export interface CitationBody {
  number: number;
  document_id: string;
  document_name: string;
  page: number | null;
  start: number;
  end: number;
  quote: string;
  boxes: BoxBody[];
}

/** A collection: how many documents it has, and how many of them can be searched. */
export interface CollectionBody {
  name: string;
  documents: number;
  ready: number;
}

/** The collections that have a document, by name. */
export interface Collections {
  collections: CollectionBody[];
}

/** Tokens of the reply by kind. */
export interface CompletionTokensDetails {
  reasoning_tokens: number;
  audio_tokens: number;
  accepted_prediction_tokens: number;
  rejected_prediction_tokens: number;
}

/** Tokens of all that the model read and wrote for the answer, its checks included. */
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: PromptTokensDetails;
  completion_tokens_details: CompletionTokensDetails;
}

/**
 * A document of the catalog. `pages` and `chunks` are counts; `progress` runs from 0 to 1.
 *
 * `metadata` holds the file's properties, those given at upload, and the `year`; `filter` of a search uses them.
 * `notes` says what of the file is not in the text, or is in doubt. `parent_id` is the uploaded document that it is
 * inside of (an archive, a message), null for an uploaded one. `media_type` is empty until it is read.
 */
export interface DocumentBody {
  id: string;
  name: string;
  parent_id: string | null;
  media_type: string;
  collection: string;
  status: "queued" | "parsing" | "embedding" | "indexing" | "ready" | "failed";
  pages: number;
  chunks: number;
  size_bytes: number;
  created_at: string;
  error: DocumentError | null;
  progress: number;
  metadata: {
    [field: string]: unknown;
  };
  notes: NoteBody[];
}

/** Why a document could not be read. */
export interface DocumentError {
  code: string;
  message: string;
}

/** Documents in the order of their upload. `total` counts all that match the filters, whatever `limit` is. */
export interface Documents {
  documents: DocumentBody[];
  total: number;
}

/** The form of every error. */
export interface ErrorBody {
  error: ErrorDetail;
}

/** `code` is stable, for programs. `message` is for people: what happened, the value seen, and what to do. */
export interface ErrorDetail {
  code: string;
  message: string;
}

/** What a reader said of an answer. */
export interface FeedbackBody {
  rating: "right" | "wrong" | "wrong citation";
  citation: number | null;
  comment: string;
  created_at: string;
}

/** What a reader says of an answer. */
export interface FeedbackRequest {
  /** `turn_id` of the answer */
  turn_id: string;
  rating: "right" | "wrong" | "wrong citation";
  /** the number of the citation that it is about */
  citation?: number | null;
  /** what is wrong, or the right answer */
  comment?: string | null;
}

/** A cited document that is no longer there. `replaced_by` is the id of its new version, null if it was deleted. */
export interface GoneBody {
  document_id: string;
  replaced_by: string | null;
}

/** An earlier question of the same conversation, and its answer. */
export interface HistoryTurn {
  question: string;
  answer: string;
}

/** A retrieved passage. A higher `score` is better; `scorer` names the scale of the score. */
export interface HitBody {
  rank: number;
  score: number;
  scorer: "cosine" | "bm25" | "fusion" | "reranker";
  document_id: string;
  document_name: string;
  page: number | null;
  start: number;
  end: number;
  text: string;
  headings: string[];
}

/** Passages, best first. */
export interface Hits {
  hits: HitBody[];
}

/** Why a response is incomplete. */
export interface IncompleteDetails {
  reason: "max_output_tokens";
}

/** An item of the conversation. Items that are no messages (`type` is not `message`) are not read. */
export interface InputItem {
  type?: string | null;
  role?: "system" | "developer" | "user" | "assistant" | null;
  content?: string | Part[] | null;
  [field: string]: unknown;
}

/** Tokens of the prompt by kind. */
export interface InputTokensDetails {
  cached_tokens: number;
  cache_write_tokens: number;
}

/** A sentence of the model's reply that is not shown, and why the documents do not support it. */
export interface LeftOutBody {
  text: string;
  reason: string;
}

/** A set of documents that can be asked as if it were a language model. */
export interface ModelBody {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
}

/** All models. */
export interface Models {
  object: "list";
  data: ModelBody[];
}

/**
 * What a reader should know of a document's text: what was not read or left out, or is in doubt.
 *
 * `code` is stable, for programs. `message` is for people. `page` starts at 1; it is null where the note is not about
 * one page.
 */
export interface NoteBody {
  code: string;
  message: string;
  page: number | null;
}

/** The form of every error of OpenAI's API. */
export interface OpenAIErrorBody {
  error: OpenAIErrorDetail;
}

/** The error as clients of OpenAI's API read it: `param` names the parameter that is wrong, where one is. */
export interface OpenAIErrorDetail {
  code: string;
  message: string;
  type: "invalid_request_error" | "server_error";
  param: string | null;
}

/** The answer as a message. */
export interface OutputMessage {
  type: "message";
  id: string;
  status: "in_progress" | "completed" | "incomplete";
  role: "assistant";
  content: OutputText[];
}

/** The text of the answer. */
export interface OutputText {
  type: "output_text";
  text: string;
  annotations: ResponseCitation[];
  logprobs: null[];
}

/** Tokens of the reply by kind. */
export interface OutputTokensDetails {
  reasoning_tokens: number;
}

/**
 * One page. `text` is the document's text from character `start` to `end`.
 *
 * `width` and `height` are PDF points, 0 for formats without a page size. `source` says where the words come from:
 * the file's `text`, `ocr` of its picture or of pictures on it, or nowhere (`unreadable`). `confidence` is that of the
 * OCR, else null. `boxes` are the rectangles of the characters that the request names, one a line; none where it names
 * none.
 */
export interface PageBody {
  page: number;
  text: string;
  start: number;
  end: number;
  width: number;
  height: number;
  source: "text" | "ocr" | "unreadable";
  confidence: number | null;
  boxes: BoxBody[];
}

/** A part of a message. Of a question only text is accepted (`text`, `input_text`): upload files as documents. */
export interface Part {
  type: string;
  text?: string | null;
  refusal?: string | null;
  [field: string]: unknown;
}

/** The state of one part of the server, with details. */
export interface PartState {
  status: "ok" | "degraded" | "rebuilding" | "restarting" | "busy" | "off" | "low" | "unreachable" | "unknown";
  detail: string;
}

/** Tokens of the prompt by kind. */
export interface PromptTokensDetails {
  cached_tokens: number;
  audio_tokens: number;
}

/** A question about the documents. */
export interface QueryRequest {
  /** the question, in natural language */
  question: string;
  /** search only this collection; all collections where absent */
  collection?: string | null;
  /** number of passages to retrieve; the setting retrieval.top_k where absent */
  top_k?: number | null;
  /** what happens to unsupported sentences: `strict` leaves them out (the default), `flag` keeps and marks them, `off` keeps the model's text unchanged */
  mode?: "strict" | "flag" | "off" | null;
  /** `full` answers in complete sentences (the default), `brief` with the bare name, number or phrase where that is the answer */
  style?: "full" | "brief" | null;
  /** send the answer as server-sent events */
  stream?: boolean | null;
  /** search only these documents; all documents where absent */
  document_ids?: string[] | null;
  /** search only documents whose metadata fulfil all conditions; the value of a key is what it must be, a list of such values, or an object of `eq`, `ne`, `in`, `contains`, `exists`, `gt`, `gte`, `lt`, `lte` */
  filter?: {
    [field: string]: string | number | boolean | (string | number | boolean)[] | {
      eq?: string | number | boolean;
      ne?: string | number | boolean;
      in?: (string | number | boolean)[];
      contains?: string | number | boolean;
      exists?: boolean;
      gt?: string | number | boolean;
      gte?: string | number | boolean;
      lt?: string | number | boolean;
      lte?: string | number | boolean;
    };
  } | null;
  /** earlier turns of the conversation, oldest first; those of the thread where absent */
  history?: HistoryTurn[] | null;
  /** the thread that the question belongs to, and to which the answer is added */
  thread_id?: string | null;
}

/** The server is ready. Searches work even where the model is unreachable. */
export interface Ready {
  status: "ready";
  catalog: PartState;
  index: PartState;
  worker: PartState;
  model: PartState;
  embedder: PartState;
  disk: PartState;
}

/** Another title for a thread. */
export interface RenameRequest {
  title: string;
}

/** A response. `footnote` is the Answer itself: verdicts, citations with boxes, the reason of a refusal. */
export interface ResponseBody {
  id: string;
  object: "response";
  created_at: number;
  completed_at: number | null;
  status: "in_progress" | "completed" | "incomplete" | "failed";
  error: ResponseError | null;
  incomplete_details: IncompleteDetails | null;
  instructions: null;
  model: string;
  output: OutputMessage[];
  parallel_tool_calls: boolean;
  previous_response_id: null;
  store: false;
  text: ResponseText;
  tool_choice: "none";
  tools: null[];
  usage: ResponseUsage | null;
  footnote: AnswerBody | null;
}

/** The quote that a marker cites: characters `start_index` to `end_index` of the text are the marker. */
export interface ResponseCitation {
  type: "url_citation";
  start_index: number;
  end_index: number;
  title: string;
  url: string;
}

/** Why a response failed. */
export interface ResponseError {
  code: string;
  message: string;
}

/** The format of the text. */
export interface ResponseText {
  format: {
    [field: string]: string;
  };
}

/** Tokens of all that the model read and wrote for the answer, its checks included. */
export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: InputTokensDetails;
  output_tokens: number;
  output_tokens_details: OutputTokensDetails;
  total_tokens: number;
}

/** A question, or a conversation whose last user message is the question. */
export interface ResponsesRequest {
  /** `footnote` for all documents, `footnote/COLLECTION` for one collection */
  model: string;
  /** send the answer as server-sent events; false where absent */
  stream?: boolean | null;
  /** accepted and not used */
  temperature?: unknown;
  /** accepted and not used */
  top_p?: unknown;
  /** accepted and not used */
  top_k?: unknown;
  /** accepted and not used */
  min_p?: unknown;
  /** accepted and not used */
  top_logprobs?: unknown;
  /** accepted and not used */
  tools?: unknown;
  /** accepted and not used */
  tool_choice?: unknown;
  /** accepted and not used */
  parallel_tool_calls?: unknown;
  /** accepted and not used */
  metadata?: unknown;
  /** accepted and not used */
  moderation?: unknown;
  /** accepted and not used */
  prompt_cache_key?: unknown;
  /** accepted and not used */
  prompt_cache_options?: unknown;
  /** accepted and not used */
  prompt_cache_retention?: unknown;
  /** accepted and not used */
  safety_identifier?: unknown;
  /** accepted and not used */
  service_tier?: unknown;
  /** accepted and not used */
  store?: unknown;
  /** accepted and not used */
  user?: unknown;
  /** the question, or the messages of the conversation */
  input: string | InputItem[];
  /** accepted and not used */
  stream_options?: unknown;
  text?: TextOptions | null;
  /** only false: nothing is stored */
  background?: false | null;
  /** only null: nothing is stored, send the earlier messages */
  conversation?: null;
  /** only null: nothing is stored, send the earlier messages */
  previous_response_id?: null;
  /** only null: there are no stored prompts */
  prompt?: null;
  /** accepted and not used */
  instructions?: unknown;
  /** accepted and not used */
  context_management?: unknown;
  /** accepted and not used */
  include?: unknown;
  /** accepted and not used */
  max_output_tokens?: unknown;
  /** accepted and not used */
  max_tool_calls?: unknown;
  /** accepted and not used */
  reasoning?: unknown;
  /** accepted and not used */
  truncation?: unknown;
}

/** A passage that was retrieved for the question. `used` says whether it was sent to the model. */
export interface RetrievedBody {
  rank: number;
  document_id: string;
  document_name: string;
  page: number | null;
  start: number;
  end: number;
  score: number;
  used: boolean;
}

/** A search query. The response lists passages; no language model is asked. */
export interface SearchRequest {
  /** the text to search for, by meaning and by words */
  query: string;
  /** search only this collection; all collections where absent */
  collection?: string | null;
  /** number of passages to retrieve; the setting retrieval.top_k where absent */
  top_k?: number | null;
  /** search only these documents; all documents where absent */
  document_ids?: string[] | null;
  /** search only documents whose metadata fulfil all conditions; the value of a key is what it must be, a list of such values, or an object of `eq`, `ne`, `in`, `contains`, `exists`, `gt`, `gte`, `lt`, `lte` */
  filter?: {
    [field: string]: string | number | boolean | (string | number | boolean)[] | {
      eq?: string | number | boolean;
      ne?: string | number | boolean;
      in?: (string | number | boolean)[];
      contains?: string | number | boolean;
      exists?: boolean;
      gt?: string | number | boolean;
      gte?: string | number | boolean;
      lt?: string | number | boolean;
      lte?: string | number | boolean;
    };
  } | null;
}

/** A sentence: characters `start` to `end` of the answer or text. `citations` are numbers of citations. */
export interface SentenceBody {
  text: string;
  start: number;
  end: number;
  verdict: "supported" | "weak" | "unsupported" | "no_claim";
  citations: number[];
  /** a short reason for the verdict; empty where none is needed */
  reason: string;
  /** how likely it is that the documents say this; 1 where there is nothing to check */
  confidence: number;
}

/** Options of a stream. */
export interface StreamOptions {
  /** send the usage in a last chunk without choices */
  include_usage?: boolean;
  /** accepted and not used */
  include_obfuscation?: unknown;
}

/** A part of a document's text: characters `start` to `end`. `length` is the length of the whole text. */
export interface TextBody {
  text: string;
  start: number;
  end: number;
  length: number;
}

/** The format of the reply, which is text; `POST /v1/query` answers with JSON. */
export interface TextFormat {
  type?: "text";
  [field: string]: unknown;
}

/** Options of a response's text. */
export interface TextOptions {
  format?: TextFormat | null;
  /** accepted and not used */
  verbosity?: unknown;
}

/** A conversation that is kept; `turns` is the number of its questions. */
export interface ThreadBody {
  id: string;
  title: string;
  collection: string | null;
  created_at: string;
  updated_at: string;
  turns: number;
}

/** A new thread. */
export interface ThreadRequest {
  /** the beginning of the first question where absent */
  title?: string | null;
  /** the collection that its questions are about */
  collection?: string | null;
}

/** A thread with its questions and answers, oldest first. With `Accept: text/markdown`, the same as Markdown. */
export interface ThreadWithTurns {
  id: string;
  title: string;
  collection: string | null;
  created_at: string;
  updated_at: string;
  turns: number;
  messages: TurnBody[];
}

/** Threads, the one with the newest turn first. `total` counts all, whatever `limit` is. */
export interface Threads {
  threads: ThreadBody[];
  total: number;
}

/**
 * A question of a thread and its answer as it was given.
 *
 * `gone` lists the cited documents that were deleted or replaced since. Quotes of deleted documents are empty.
 */
export interface TurnBody {
  id: string;
  question: string;
  asked_at: string;
  answer: AnswerBody;
  feedback: FeedbackBody | null;
  gone: GoneBody[];
}

/** An uploaded file that is safe on disk. */
export interface UploadedDocument {
  id: string;
  name: string;
  status: "queued" | "parsing" | "embedding" | "indexing" | "ready" | "failed";
}

/** The documents of an upload, in the order of the files. */
export interface UploadedDocuments {
  documents: UploadedDocument[];
}

/**
 * The quote that a marker cites: characters `start_index` to `end_index` of the content are the marker.
 *
 * `url` is the quote's place on the page at FOOTNOTE_SERVER__PUBLIC_URL, otherwise a `footnote://` address.
 */
export interface UrlCitation {
  start_index: number;
  end_index: number;
  title: string;
  url: string;
}

/** The cost of an answer: tokens as the model counts them, and passages sent and left out. */
export interface UsageBody {
  prompt_tokens: number;
  completion_tokens: number;
  passages_sent: number;
  passages_left_out: number;
  /** citation markers removed from the model's reply because they named no passage */
  markers_removed: number;
}

/** The sentences of a text with their verdicts, and the citations that support them. */
export interface VerifiedBody {
  sentences: SentenceBody[];
  citations: CitationBody[];
  /** the model that was asked about sentences whose words settle no verdict; null where none was */
  judge: string | null;
}

/** A text, whoever wrote it, to be checked against the documents sentence by sentence. */
export interface VerifyRequest {
  /** the text to check; it stays as it is */
  text: string;
  /** what the text answers; a name or a number is checked together with it */
  question?: string | null;
  /** search only this collection; all collections where absent */
  collection?: string | null;
  /** search only these documents; all documents where absent */
  document_ids?: string[] | null;
}

/** Every call of the API by method and path. */
export interface Calls {
  /** List documents */
  "GET /v1/documents": {
    query?: {
      /** list only documents of this collection */
      collection?: string | null;
      /** list only documents with this status */
      status?: "queued" | "parsing" | "embedding" | "indexing" | "ready" | "failed" | null;
      /** list at most this many documents; all where absent */
      limit?: number | null;
      /** skip this many documents */
      offset?: number;
    };
    answer: Documents;
  };
  /** Upload documents */
  "POST /v1/documents": {
    form: {
      /** the files, each at most 256 MiB */
      file: Blob[];
      /** the collection of the documents; created by its first document */
      collection?: string;
      /** a URI that says where the file comes from; a later file of the same source replaces it. Send one value for each file, in their order; the default is the file's name. */
      source?: string;
      /** when the file was last changed, in nanoseconds since 1970; one value for each file */
      modified_ns?: number;
      /** a JSON object of text, numbers, booleans and lists of these, for filters; one value for all files or one for each. Where it is absent, a document keeps what it has */
      metadata?: {
        [field: string]: string | number | boolean | (string | number | boolean)[];
      };
    };
    answer: UploadedDocuments;
  };
  /** Get a document */
  "GET /v1/documents/{document_id}": {
    path: {
      /** the document's id */
      document_id: string;
    };
    answer: DocumentBody;
  };
  /** Delete a document */
  "DELETE /v1/documents/{document_id}": {
    path: {
      /** the document's id */
      document_id: string;
    };
    answer: void;
  };
  /** Download the original file */
  "GET /v1/documents/{document_id}/file": {
    path: {
      /** the document's id */
      document_id: string;
    };
    answer: Blob;
  };
  /** Get a page */
  "GET /v1/documents/{document_id}/pages/{page}": {
    path: {
      /** the document's id */
      document_id: string;
      /** the page's number, starting at 1 */
      page: number;
    };
    query?: {
      /** first character of the words to mark */
      start?: number;
      /** character after the words to mark */
      end?: number;
      /** dots per inch of the image */
      dpi?: number;
    };
    answer: PageBody;
  };
  /** Get a document's text */
  "GET /v1/documents/{document_id}/text": {
    path: {
      /** the document's id */
      document_id: string;
    };
    query?: {
      /** position of the first character */
      start?: number;
      /** position after the last character */
      end?: number | null;
    };
    answer: TextBody;
  };
  /** List collections */
  "GET /v1/collections": {
    answer: Collections;
  };
  /** Delete a collection */
  "DELETE /v1/collections/{name}": {
    path: {
      /** the collection's name */
      name: string;
    };
    answer: void;
  };
  /** Search for passages */
  "POST /v1/search": {
    body: SearchRequest;
    answer: Hits;
  };
  /** Ask a question */
  "POST /v1/query": {
    body: QueryRequest;
    answer: AnswerBody;
  };
  /** Verify a text against the documents */
  "POST /v1/verify": {
    body: VerifyRequest;
    answer: VerifiedBody;
  };
  /** List threads */
  "GET /v1/threads": {
    query?: {
      /** list at most this many threads; all where absent */
      limit?: number | null;
      /** skip this many threads */
      offset?: number;
    };
    answer: Threads;
  };
  /** Create a thread */
  "POST /v1/threads": {
    body: ThreadRequest;
    answer: ThreadBody;
  };
  /** Get a thread */
  "GET /v1/threads/{thread_id}": {
    path: {
      /** the thread's id */
      thread_id: string;
    };
    answer: ThreadWithTurns;
  };
  /** Rename a thread */
  "PATCH /v1/threads/{thread_id}": {
    path: {
      /** the thread's id */
      thread_id: string;
    };
    body: RenameRequest;
    answer: ThreadBody;
  };
  /** Delete a thread */
  "DELETE /v1/threads/{thread_id}": {
    path: {
      /** the thread's id */
      thread_id: string;
    };
    answer: void;
  };
  /** Give feedback on an answer */
  "POST /v1/feedback": {
    body: FeedbackRequest;
    answer: FeedbackBody;
  };
  /** Check liveness */
  "GET /livez": {
    answer: Alive;
  };
  /** Check readiness */
  "GET /readyz": {
    answer: Ready;
  };
  /** Get metrics for Prometheus */
  "GET /metrics": {
    answer: string;
  };
  /** List models */
  "GET /v1/models": {
    answer: Models;
  };
  /** Get a model */
  "GET /v1/models/{model}": {
    path: {
      /** the model's id */
      model: string;
    };
    answer: ModelBody;
  };
  /** Ask a question as a chat completion */
  "POST /v1/chat/completions": {
    body: ChatRequest;
    answer: ChatCompletion;
  };
  /** Ask a question as a response */
  "POST /v1/responses": {
    body: ResponsesRequest;
    answer: ResponseBody;
  };
}
