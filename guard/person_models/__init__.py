"""Person-specific models, beside a call: learnt at enrolment in the background, asked every few seconds."""
