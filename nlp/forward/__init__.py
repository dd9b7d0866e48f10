"""The forward pass: encoders taken apart, packed rows, 8-bit products, padded batches for the rest."""
