"""Images kept on disk: decoded ones, synthetic ones, sheets to look at; embeddings are the referee's."""
