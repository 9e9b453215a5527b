// Ask from TypeScript, with the types of the API.
import type { Calls } from "../api/http/footnote";

type Query = Calls["POST /v1/query"];

export async function ask(body: Query["body"], url = "http://127.0.0.1:8000"): Promise<Query["answer"]> {
  const response = await fetch(`${url}/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

export function quotes(answer: Query["answer"]): string[] {
  return answer.citations.map((one) => `[${one.number}] ${one.document_name}, page ${one.page}: ${one.quote}`);
}
