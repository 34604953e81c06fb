"""The network model in virtual time: shares, runs, order, backlog, and the same draws from the same seed."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.bench.network.impairment import ImpairedLink, Impairment
from guard.errors import ConfigError

PACKETS = 20_000
SIZE_BYTES = 1000

seeds = st.integers(0, 2**32).map(str)
networks = st.builds(
    Impairment,
    loss=st.floats(0, 0.4),
    burst_packets=st.none() | st.floats(1, 10),
    delay_ms=st.floats(0, 200),
    jitter_ms=st.floats(0, 100),
    reorder=st.floats(0, 0.3),
    rate_kbps=st.none() | st.floats(100, 5000),
    backlog_ms=st.floats(0, 500),
)


def arrivals(impairment: Impairment, seed: str, packets: int, spacing: float = 0.005) -> list[float | None]:
    """When each of evenly spaced packets arrives, in seconds."""
    link = ImpairedLink(impairment, seed)
    return [link.deliver_at(SIZE_BYTES, number * spacing) for number in range(packets)]


def run_lengths(lost: list[bool]) -> list[int]:
    return [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]


@given(seed=seeds, loss=st.floats(0.005, 0.4), burst=st.none() | st.floats(1, 10))
def test_the_realised_loss_is_the_nominal_one(seed: str, loss: float, burst: float | None) -> None:
    lost = [arrival is None for arrival in arrivals(Impairment(loss=loss, burst_packets=burst), seed, PACKETS)]
    # Variance of a two-state chain's mean: that of independent draws times (1 + r) / (1 - r), r: the correlation of
    # neighbours.
    correlation = 0.0 if burst is None else 1 - 1 / burst - loss / (1 - loss) / burst
    deviation = math.sqrt(loss * (1 - loss) / PACKETS * (1 + correlation) / (1 - correlation))
    assert sum(lost) / PACKETS == pytest.approx(loss, abs=7 * deviation + 1 / PACKETS)


@given(seed=seeds, burst=st.floats(1, 10))
def test_losses_come_in_runs_of_the_mean_length(seed: str, burst: float) -> None:
    runs = run_lengths([a is None for a in arrivals(Impairment(loss=0.2, burst_packets=burst), seed, PACKETS)])
    deviation = math.sqrt(burst * (burst - 1) / len(runs))  # of the mean of geometric lengths
    assert sum(runs) / len(runs) == pytest.approx(burst, abs=7 * deviation + burst / len(runs))


def test_independent_losses_come_in_short_runs() -> None:
    runs = run_lengths([arrival is None for arrival in arrivals(Impairment(loss=0.05), "7", 200_000)])
    assert sum(runs) / len(runs) == pytest.approx(1 / 0.95, rel=0.02)


@given(network=networks, seed=seeds)
def test_a_seed_makes_the_same_network_again(network: Impairment, seed: str) -> None:
    assert arrivals(network, seed, 300) == arrivals(network, seed, 300)


@given(network=networks, seed=seeds)
def test_which_packets_are_lost_depends_on_nothing_but_seed_and_loss(network: Impairment, seed: str) -> None:
    plain = Impairment(loss=network.loss, burst_packets=network.burst_packets)
    unlimited = replace(network, rate_kbps=None)
    lost = [arrival is None for arrival in arrivals(unlimited, seed, 300, spacing=0.001)]
    assert lost == [arrival is None for arrival in arrivals(plain, seed, 300)]


@given(network=networks, seed=seeds)
def test_the_order_is_kept_except_for_packets_that_are_held_back(network: Impairment, seed: str) -> None:
    link = ImpairedLink(network, seed)
    in_order: list[float] = []
    for number in range(300):
        held_before = link.counts.held_back
        arrival = link.deliver_at(SIZE_BYTES, number * 0.005)
        if arrival is None:
            continue
        assert arrival >= number * 0.005 + network.delay_ms / 1000 - 1e-9
        if link.counts.held_back == held_before:
            in_order.append(arrival)
    assert in_order == sorted(in_order)


def test_a_held_back_packet_is_overtaken_by_those_of_the_next_20_ms() -> None:
    times = arrivals(Impairment(delay_ms=10, reorder=1.0, reorder_ms=20), "1", 3)
    assert times == pytest.approx([0.030, 0.035, 0.040])
    share = ImpairedLink(Impairment(reorder=0.1), "1")
    for number in range(PACKETS):
        share.deliver_at(SIZE_BYTES, number * 0.005)
    assert share.counts.held_back / PACKETS == pytest.approx(0.1, abs=0.02)


@given(seed=seeds, rate_kbps=st.floats(50, 5000), backlog_ms=st.floats(0, 500), spacing=st.floats(0, 0.05))
def test_no_packet_waits_longer_than_the_backlog(
    seed: str, rate_kbps: float, backlog_ms: float, spacing: float
) -> None:
    transmission = SIZE_BYTES * 8 / (1000 * rate_kbps)
    times = arrivals(Impairment(rate_kbps=rate_kbps, backlog_ms=backlog_ms), seed, 500, spacing)
    waits = [arrival - number * spacing - transmission for number, arrival in enumerate(times) if arrival is not None]
    assert min(waits) >= -1e-9
    assert max(waits) <= backlog_ms / 1000 + 1e-9


def test_an_overloaded_link_delivers_at_its_rate_and_drops_the_rest() -> None:
    # 1000 bytes every 5 ms are 1600 kbit/s; 10 s of it through 800 kbit/s.
    link = ImpairedLink(Impairment(rate_kbps=800, backlog_ms=300), "1")
    times = [link.deliver_at(SIZE_BYTES, number * 0.005) for number in range(2000)]
    delivered = [time for time in times if time is not None]
    assert times[:30] == pytest.approx([0.010 * (number + 1) for number in range(30)])  # the queue takes them all
    # 10 s and what the queue holds then, at 10 ms a packet.
    assert len(delivered) == pytest.approx(1000 + 30, abs=2)
    assert link.counts.overflowed == 2000 - len(delivered)
    gaps = [later - earlier for earlier, later in itertools.pairwise(delivered)]
    assert gaps == pytest.approx([0.010] * len(gaps))


def test_a_link_that_keeps_up_adds_the_transmission_only() -> None:
    assert arrivals(Impairment(rate_kbps=8000), "1", 3) == pytest.approx([0.001, 0.006, 0.011])


def test_jitter_is_half_a_normal_distribution_on_top_of_the_delay() -> None:
    times = arrivals(Impairment(delay_ms=30, jitter_ms=40), "1", PACKETS, spacing=1.0)
    extra = [1000 * (time - number) - 30 for number, time in enumerate(times) if time is not None]
    assert min(extra) >= -1e-6
    # The mean of |normal(0, s)| is s * sqrt(2 / pi).
    assert sum(extra) / len(extra) == pytest.approx(20 * math.sqrt(2 / math.pi), rel=0.03)


@pytest.mark.parametrize(
    "values",
    [
        {"loss": 1.1},
        {"loss": math.nan},
        {"reorder": -0.1},
        {"delay_ms": -1.0},
        {"jitter_ms": math.inf},
        {"rate_kbps": 0.0},
        {"loss": 0.1, "burst_packets": 0.5},
        {"loss": 0.9, "burst_packets": 2.0},
    ],
)
def test_impossible_networks_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Impairment(**values)
