"""Fine-tuning: the recipe, its loss, learning rates and regularisers, the Trainer, the card."""
