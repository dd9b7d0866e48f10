"""Fine-tuning and further pre-training."""
