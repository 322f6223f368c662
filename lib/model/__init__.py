"""The Transformer, exact scores of it, and its fused form for CPUs: the C++ kernel, its compiler and cache."""
