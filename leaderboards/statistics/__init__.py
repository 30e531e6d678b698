"""From records to rows: means, intervals, ranks and trade-offs; no words and no layout."""
