"""One estimator a method, with scikit-learn's API and parameter names."""
