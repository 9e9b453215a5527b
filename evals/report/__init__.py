"""The report: one to six result files as one HTML page.

    result file ─ runs ─> Run ─ curves ─> points ─ charts ─> SVG ┐
                              ─ questions ─> rows ──────────────┴ sections, document ─> HTML ─ write ─> file

Read in this order: `write`, `runs`, `curves`, `charts`, `measures`, `sections`, `questions`, `document`. Python makes
all figures and charts; `page.js` shows the table of questions, which has too many rows to draw at once.
"""
