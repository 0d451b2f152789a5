// Which key means what, beside the reasons: those have the keys that the server names (state.reason_keys).

// One per label, or value of one, that is offered; where there are more, 0 shows the rest.
export const CHOICES = "123456789abcdefghijklmnopqrstuvwxyz";
