"""Phase 6: how good the finished model is, on cases that it never saw; strategies/evaluation says what is asked."""
