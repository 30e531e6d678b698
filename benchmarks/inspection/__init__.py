"""What is in a dataset, told before anything is measured: its layout, its classes, its texts as models read them."""
