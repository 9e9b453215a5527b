"""The page that people look at: one HTML file made of result files.

    result file ─ runs ─> Run ─ curves ─> points ─ charts ─> SVG ┐
                              ─ questions ─> rows ──────────────┴ sections, document ─> HTML

Figures and charts are computed and drawn here; `page.js` only shows the questions' rows, which are too many to draw.
"""
