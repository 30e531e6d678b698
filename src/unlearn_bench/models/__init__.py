"""Where a model comes from: its name, its weights, its code behind `Clip`; training it is elsewhere."""
