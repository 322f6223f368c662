"""A stack in training, its loop with checkpoints, workers on cores, GPU and cluster; what a store lacks, trained."""
