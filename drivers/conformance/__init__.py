"""What every driver must do, as checks: for `alloyscope devices test`, and for pytest by a plug-in."""
