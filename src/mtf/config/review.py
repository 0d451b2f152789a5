"""Parameters of the review. They change what reviewers are asked, not what an answer means: no stage reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mtf.config.section import Section


class Review(Section):
    """The review by people (docs/review.md).

    gold_share: share of gold questions among all that a reviewer is asked, 0 to 0.2; 0 plants none.
    third_votes: `when_in_doubt` spares a reviewer a face on which a majority of the panel agrees and the model of the
        reviewers is sure, `always` asks everyone about every face.
    third_vote_below: probability, by the model, below which it is in doubt.
    owner: git `user.email` of the person who may see ratings of reviewers; null stands for the account that owns
        params.yaml.
    """

    gold_share: Annotated[float, Field(ge=0, le=0.2)] = 0.04
    third_votes: Literal["when_in_doubt", "always"] = "when_in_doubt"
    third_vote_below: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    owner: Annotated[str, Field(min_length=3, max_length=254)] | None = None
