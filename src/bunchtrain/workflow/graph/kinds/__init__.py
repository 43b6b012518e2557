"""Kinds of stages of the key `stages` of a study, one a file: each makes a stage of its keys."""
