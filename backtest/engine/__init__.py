"""The causal walk and the books it leaves."""
