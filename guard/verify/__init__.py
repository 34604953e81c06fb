"""Who drives: enrolment, templates, comparison, evidence over time and the decision."""
