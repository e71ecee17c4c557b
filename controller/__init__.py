"""What happens next: plan, engine, guard, recorder, streams, session and screen."""
