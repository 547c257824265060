"""Networks that extract features: judges, classifiers of photographs, Inception-v3."""
