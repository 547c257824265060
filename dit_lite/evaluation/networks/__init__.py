"""Networks that see images: the judges, classifiers of photographs, Inception-v3."""
