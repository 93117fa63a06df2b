"""Parts of the window operators: arrival and watermarks, folding in time order, window cells."""
