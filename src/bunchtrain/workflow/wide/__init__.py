"""Preparation, prediction and generation in pieces that several processes or machines make."""
