"""The writer: a language model writes a suite of questions for a collection, and rules check each question.

Read in this order: `write` (the command and its loop), `facts` (sentences to ask about), `prompts`, `checks` (rules of
one passage), `near_misses` (questions without an answer), `collection_checks` (rules that search the collection),
`suite_writer` (the files).
"""
