"""Training the embedded models: data in, weights, calibration and a model card out."""
