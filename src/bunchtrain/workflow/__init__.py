"""The workflow of a study: run folder, trainings, predictions, evaluations, report, exports."""
