"""What headlines report and what they say is due when: rules over plain text; without torch."""
