"""Access of a person to all that is held about them (GDPR, article 15): one ZIP and one page.

Modules, in the order of the work: `lookup` finds the person, `holdings` and `decisions` gather what the tables hold,
`versions` looks through git and DVC, `masking` hides other people's faces, `answer` writes ZIP and page.
"""
