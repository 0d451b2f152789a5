// Which key means what.

// One per reason, the same at every step.
export const KEYS = {
  not_a_face: "1", partial_face: "2", wrong_person: "3", obstructed: "4", not_a_photograph: "5",
  unnatural: "6", blurred: "7", near_duplicate: "8", wrong_age_group: "9", childhood: "0", exact_duplicate: "e",
};

// One per label, or value of one, that is offered; where there are more, 0 shows the rest.
export const CHOICES = "123456789abcdefghijklmnopqrstuvwxyz";
