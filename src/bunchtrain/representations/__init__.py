"""Representations: from columns of events to named tensors, one a file."""
