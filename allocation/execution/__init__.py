"""What a fill is: sizing, costs, whole lots; shared by the walk, the paper broker and live orders."""
