// Keys of label choices. The keys of the reasons come from the server (state.reason_keys).

// One key per label or value on offer; with more of them, 0 shows the rest.
export const CHOICES = "123456789abcdefghijklmnopqrstuvwxyz";
