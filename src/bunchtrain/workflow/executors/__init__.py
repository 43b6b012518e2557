"""Where the jobs of a run are executed: in turn, in processes, as Ray tasks, as Slurm arrays."""
