"""Where Freight comes from: one module for each type of subscription; `base` says what each of them can do."""
