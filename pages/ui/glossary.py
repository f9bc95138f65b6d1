"""The terms on screen, each with one plain sentence: tooltips of tiles, tables and headings come from here."""

from __future__ import annotations

import re

TERMS = {
    # decisions
    "action": "What is done with a position at the next bar: buy, sell or hold.",
    "benchmark": "All symbols bought in equal parts at the start and held, without costs.",
    "binding gate": "The first gate, in the order of the ladder, that failed and so decided what could not be done.",
    "clean decision": "A decision in whose tick no phase fell back and whose inputs were fresh and whole.",
    "cross-check": "A second estimate of skill that must agree with the first before sizes follow it.",
    "degraded tick": "A tick in which at least one phase used its fallback; it opens nothing.",
    "drawdown": "The loss from the highest equity so far.",
    "edge": "The expected move of the price over the horizon acted on, in basis points.",
    "edge to flip": "The smallest change of the expected move, in basis points, that would have changed the decision.",
    "exposure": "The value of the positions as a share of equity: gross adds long and short, net subtracts short from long.",
    "fallback": "The simple, safe result that replaces a phase that failed or ran out of time.",
    "gate": "A condition for taking new risk, with a value, a limit and a verdict for each symbol.",
    "gate ladder": "The fixed order of checks that every decision passes before a position may be opened or increased.",
    "horizon": "The number of bars ahead that a forecast is for.",
    "implementation shortfall": "The cost of an order against filling all of it at once at the decision.",
    "intent": "What a decision does to the position: open, add, cut, close or hold.",
    "margin": "The distance between a gate's value and its limit, positive when the gate passes.",
    "p(direction)": "The ensemble's probability that the price moves in the direction of the expected move.",
    "position sizing": "The steps from the desired size to the target: each limit, applied one after the other.",
    "proven skill": "Skill whose lower confidence bound is above zero; the bound holds at every tick at once.",
    "recent skill": "Skill in which older forecasts count less, by the half-life that is set.",
    "regime": "The state of a symbol's market by a hidden Markov model: calm, ranging, trending or volatile.",
    "round trip": "The cost of opening and closing a position: spread, fee and impact, in basis points.",
    "skill": "The share of the variance of returns that a forecast explains out of sample (R²), against a forecast of zero.",
    "tick": "One decision for every symbol, at the close of a bar.",
    "warm-up": "Bars of history decided at full speed before the first live bar, so that there is evidence to judge by.",
    "confidence": "The share of the models' reliability behind the direction of the forecast.",
    "cost": "The cost of a round trip over the book, in basis points: spread, fees and impact.",
    "declined trade": "A trade that a gate did not allow; its outcome is recorded all the same.",
    "expected move": "The ensemble's forecast of the price move over the horizon acted on, in basis points.",
    "gate strip": "One row per symbol and one column per tick, coloured by the binding gate.",
    "limit": "The value that a gate's value must reach or must not exceed.",
    "session skill": "The ensemble's skill over the whole session, all forecasts counted equally.",
    "target": "The position decided on, as a share of equity; below zero is a short position.",
    "trust": "The share of a model's forecast that its measured reliability supports.",
    # models
    "active model": "A model whose forecast counts in the ensemble at this tick.",
    "agreement of a version": "The correlation of a new version's forecasts with those of the versions whose skill is proven.",
    "brier score": "The mean squared error of stated probabilities; always saying 50 % scores 0.25.",
    "calibration": "The comparison of stated probabilities and intervals with what happened.",
    "coverage": "The share of outcomes that lay inside their forecast interval.",
    "declined-trade p&l": "What the trades that a gate declined would have made after costs; above zero the gate cost money.",
    "digest": "A hash of the content: two equal digests mean equal content, bit for bit.",
    "dispersion": "The standard deviation of the models' forecasts around their mean, weighted by reliability.",
    "effective n": "The number of independent observations that overlapping or correlated ones are worth.",
    "majority": "The share of the active models that are on the larger side of zero.",
    "model agreement": "The share of votes in which two models pointed the same way.",
    "role": "Whether a version serves now (champion), waits for its first tick (challenger) or served before (retired).",
    "votes": "The forecasts of all models for one symbol and horizon at one tick.",
    "weight": "The factor by which the ensemble multiplies a model's forecast; the weights need not add up to 1.",
    "winkler score": "A score of intervals that charges their width and, more heavily, every miss.",
    # portfolio
    "borrow": "The yearly rate paid on the value of a short position.",
    "borrow and funding": "The cost of holding positions: the borrow rate on shorts and the funding of perpetual contracts.",
    "execution quality": "The cost of each order type against filling the whole order at once.",
    "cost against aggressive": "The implementation shortfall of an order against filling all of it at once at the decision.",
    "funding": "The payment between longs and shorts of a perpetual contract, every 8 hours.",
    "impact": "The price move that an order itself causes.",
    "lot size": "The smallest step of an order's size.",
    "maker fee": "The fee of a fill whose order rested in the book.",
    "mark": "The newest price, at which a position is valued.",
    "mid": "The middle between the best bid and the best ask.",
    "half-spread": "Half the distance between the best bid and the best ask: the cost of taking once.",
    "realised p&l": "Gains and losses of closed positions, after fees.",
    "taker fee": "The fee of a fill that takes from the book at once.",
    "tick size": "The smallest step of a price.",
    "unrealised p&l": "Gains and losses of open positions at the newest price.",
    "working order": "An order that is not yet filled and stays at the venue.",
    # market
    "book imbalance": "Bid size minus ask size over their sum: +1 is all bids, \N{MINUS SIGN}1 all asks.",
    "depth": "The money that rests in the order book, from the best price to a level.",
    "flow pressure": "The net signed order flow divided by the depth of the book.",
    "kyle's lambda": "The price move per million of money bought net.",
    "liquidity forecast skill": "The share of the variance of spread, depth, impact and cost that their forecasts explain, against no change.",
    "spread": "The distance between the best bid and the best ask, in basis points of the mid.",
    "vpin": "The volume-synchronised probability of informed trading: how one-sided the flow is.",
    "volatility per bar": "The standard deviation of a bar's return, in basis points.",
    # backtests
    "deflated sharpe ratio": "The probability that the Sharpe ratio beats the best of all configurations tried on the recording.",
    "probabilistic sharpe ratio": "The probability that the true Sharpe ratio is above zero.",
    "seed": "The start of the random numbers: the same seed gives the same market and the same run.",
    "sharpe ratio": "The mean return over its standard deviation, per year.",
    "turnover": "The value of everything bought and sold.",
    # components and resources
    "component": "One of the parts of the engine that report their own state: engine, feed, trainer, store, probes, optimizer, alerts.",
    "data age": "The time since the newest tick was decided.",
    "heartbeat": "The time that the engine writes to the store every few seconds to show that it is running.",
    "incident": "A fault of the market data with a kind, a symbol and a beginning, such as a gap or a stale feed.",
    "p50": "The time that half of the ticks did not exceed: the median.",
    "p99": "The time that 99 of 100 ticks did not exceed.",
    "phase": "One of the ten steps of a decision, from data to learning; each has a fallback.",
    "pressure": "The share of time in which work waited for CPU, memory or disk (PSI of the Linux kernel).",
    "recovery": "The return of a failed component to service without a person.",
    "checkpoint": "The stored state of the engine from which later ticks can be decided again.",
    "stale bar": "A symbol without a fresh bar at a decision.",
    # optimizer
    "control window": "A window in which an action was due and was withheld by chance, for comparison.",
    "direct effect": "What an action did by its own account, such as bytes freed, before any comparison.",
    "effect": "The change after a run minus the change in control windows, with a 95 % interval.",
    "guard metric": "A metric that must not get worse while another is improved: the time per tick and the clean-decision rate.",
    "idle window": "A window in which no rule had fired and no action was run.",
    "licence": "What an action's record allows it to do: auto, recommend or quarantined.",
    "manual run": "A run that a person requested; no random draw decided it, so it indicates an effect and proves none.",
    "mode": "What a person allows an action to do: off, observe, recommend, ask or auto.",
    "rule": "A condition on a metric, or a schedule, with the actions that may respond to it.",
    "cooldown": "The time after a firing in which the rule does not fire again; it doubles when firings follow closely.",
    "success rate": "The share of the judged automatic runs that helped, with Wilson's interval.",
    "trial": "One run of an action, or one control window, measured and judged.",
    "verdict": "What the interval of an effect says: helped, no measurable effect, harmed, or not enough data.",
    # alerts and control
    "acknowledgement": "A person's note that an alert is being handled; it is not sent again until it is resolved.",
    "drill": "A test of kill switch, stop and alert path on schedule; it trades nothing.",
    "drawdown stop": "Every position is closed because equity fell further below its peak than the limit; Resume lifts it.",
    "escalation": "A critical alert that nobody acknowledged is sent again, to the escalation targets.",
    "flatten": "Close every position at market and open nothing until resumed.",
    "signal": "The R² of the best one-bar forecast on the simulated market; at 0 nothing can be predicted.",
    "silence": "A period in which nobody is notified of a rule; its alerts are raised all the same.",
}


def define(term: str) -> str:
    """Return the sentence for a term; raises KeyError for a word that is not in the glossary."""
    return TERMS[term.lower()]


def find_definition(label: str) -> str:
    """Return the sentence for the term a label on screen names ("Edge, bps", "Stale bars", "Skill (R², 1 bar)"), or ""."""
    term = re.split(r",|:| \(", label, maxsplit=1)[0].strip().lower()
    return TERMS.get(term) or TERMS.get(term.removesuffix("s")) or ""
