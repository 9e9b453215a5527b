"""Training of the encoder (`rag.models.encoder`): one small network with a reader and an entailment head.

    prepare ─> train ─> export ─> calibrate, evaluate ─> export --card

`network` is what is trained. `hand/` holds rows that were written for this project; its README describes them.
"""
