"""The graph of a study's stages, and the engine that runs it in the folder of a run."""
