"""What levels, benefits and parameters are called, and what of them is published: written by hand from the rulebook,
sections 1 to 5 and 7.
"""

from typing import Final

import pytest

from replay.policies.benefits import every_benefit
from replay.policies.catalog import shipped
from replay.policies.names import level_names
from replay.schemes.registry import SCHEMES

PUBLISHED: Final = "published"
REPOSTED: Final = "reposted"
ASSUMED: Final = "assumed"
CREATOR_BENEFITS: Final = {
    "shopping_red_packet": ("shopping red packet", "购物红包", 1, None, ASSUMED),
    "super_lucky_bag": ("super lucky bag", "超级福袋", 2, 440, REPOSTED),
    "firefly_plan": ("Firefly plan pool", "萤火计划", 2, None, REPOSTED),
    "exam_in_place_of_penalty": ("exam in place of penalty", "以考代罚", 3, None, ASSUMED),
    "live_announcement": ("live announcement", "电商直播预告", 4, 450, PUBLISHED),
    "certification": (
        "pink-star certification as a quality e-commerce creator",
        "粉星“电商优质作者”认证",
        5,
        None,
        PUBLISHED,
    ),
}
BENEFITS: Final = {
    "merchant-reputation 2022-10-26": {},
    "merchant-tier 2022-09-09": {},
    "creator-level 2021": CREATOR_BENEFITS,
    "creator-level 2022-07-19": CREATOR_BENEFITS,
    "creator-firefly 2022-01": {
        "coupons": ("exchange of points for boosted promotion coupons", "积分兑换随心推券", 0, None, PUBLISHED),
        "invitation": ("invitation to the platform's official events", "平台官方活动邀请", 3, None, PUBLISHED),
    },
    "mcn-level 2023-04-13": {
        "customer_service": ("customer service", "客服服务", -1, None, PUBLISHED),
        "community": ("community of growing and key agencies", "成长机构与重点机构社群", 1, None, PUBLISHED),
        "unbounded_binding": (
            "no limit on bound creators; may bind creators with over 5 million followers",
            "绑定达人数量不限，可绑定粉丝超五百万的达人",
            2,
            None,
            PUBLISHED,
        ),
        "operations_contact": ("own operations contact", "专属运营对接", 3, None, PUBLISHED),
        "marketing_resources": (
            "boards, honours and special marketing resources",
            "榜单、荣誉与专属营销资源",
            3,
            None,
            ASSUMED,
        ),
        "star_rooms": (
            "special games of big sales and seats in star live rooms",
            "大促专属玩法、大咖直播间",
            3,
            None,
            ASSUMED,
        ),
    },
}
"""By scheme and version: code → English, Chinese, rank of the first level, reputation also needed, status."""

METALS: Final = {
    "bronze": ("Bronze", "铜"),
    "silver": ("Silver", "银"),
    "gold": ("Gold", "金"),
    "diamond": ("Diamond", "钻"),
}
LEVELS: Final = {
    "merchant-reputation": {
        f"{code}-{number}": (f"{english} Lv{number}", f"{chinese}Lv{number}")
        for code, (english, chinese) in METALS.items()
        for number in range(1, 6)
    },
    "merchant-tier": {f"LV{number}": (f"LV{number}", f"LV{number}") for number in range(8)},
    "creator-level": {f"L{number}": (f"L{number}", f"L{number}") for number in range(8)},
    "creator-firefly": {f"firefly-{number}": (f"Firefly-{number}", f"萤火星{number}级") for number in range(1, 6)},
    "mcn-level": {f"V{number}": (f"V{number}", f"V{number}") for number in range(1, 6)},
}

PARAMETERS: Final = {
    "merchant-reputation 2022-10-26": {
        **dict.fromkeys(("statistics_from", "review_tenths", "default_tenths", "review_hours"), PUBLISHED),
        **dict.fromkeys(("amount_fen_min", "counted_kinds", "pair_cap_tenths", "growth_caps"), PUBLISHED),
        "publication": REPOSTED,
        **dict.fromkeys(("star_classes", "levels"), ASSUMED),
    },
    "merchant-tier 2022-09-09": {
        **dict.fromkeys(("scope", "initial_tier", "window_days", "wait_days"), PUBLISHED),
        **dict.fromkeys(("fast_upgrade", "clear_out_days"), PUBLISHED),
        **dict.fromkeys(("statistics_from", "good_stars", "tiers"), ASSUMED),
    },
    "creator-level 2021": {
        "levels": PUBLISHED,
        **dict.fromkeys(("sales_bands", "behaviour_bands"), REPOSTED),
        **dict.fromkeys(("first_month", "weights", "gates"), ASSUMED),
    },
    "creator-level 2022-07-19": {
        **dict.fromkeys(("levels", "weights"), PUBLISHED),
        **dict.fromkeys(("sales_bands", "behaviour_bands", "gates"), REPOSTED),
        "first_month": ASSUMED,
    },
    "creator-firefly 2022-01": {"levels": ASSUMED},
    "mcn-level 2023-04-13": {
        **dict.fromkeys(("novice_months", "observation"), PUBLISHED),
        **dict.fromkeys(("evaluation_day", "credit"), REPOSTED),
        **dict.fromkeys(("settled_bands", "orders_bands", "top_creators", "live_minutes_bands"), ASSUMED),
        **dict.fromkeys(("showcase_share_bands", "showcase_creators_bands", "good_share_bands"), ASSUMED),
        **dict.fromkeys(("service_bands", "worry_free_bands", "levels", "boards", "first_month"), ASSUMED),
    },
}
"""By scheme and version, what of each parameter that is no benefit is published."""
VERSIONS: Final = {f"{policy.scheme} {policy.id}": policy for scheme in SCHEMES for policy in shipped(scheme)}


def test_every_version_is_looked_at() -> None:
    assert {*VERSIONS} == {*BENEFITS} == {*PARAMETERS} and {*LEVELS} == {*SCHEMES}


@pytest.mark.parametrize("version", BENEFITS)
def test_benefits_are_called_as_in_the_rulebook_and_say_what_of_them_is_published(version: str) -> None:
    found = {
        item["code"]: (
            item["en"],
            item["zh"],
            item["from_rank"],
            item.get("reputation_hundredths_min"),
            item["status"],
        )
        for item in every_benefit(VERSIONS[version])
    }
    assert found == BENEFITS[version]


@pytest.mark.parametrize("version", PARAMETERS)
def test_parameters_say_what_of_them_is_published(version: str) -> None:
    parameters = VERSIONS[version].parameters.items()
    found = {name: item.status for name, item in parameters if not name.startswith("benefit_")}
    assert found == PARAMETERS[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_levels_are_called_as_in_the_rulebook(version: str) -> None:
    policy = VERSIONS[version]
    codes = [*SCHEMES[policy.scheme].replay.level_codes(policy)]
    english, chinese = (level_names(policy, codes, language) for language in ("en", "zh"))
    assert {code: (english[code], chinese[code]) for code in codes} == LEVELS[policy.scheme]
