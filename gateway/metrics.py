# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics: what an operator watches."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import InfoMetricFamily
from prometheus_client.registry import Collector

from gateway.decision import Decision

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """All metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decisions = Counter("assay_decisions", "Decisions answered.", ["outcome"], registry=self.registry)
        self._denials = Counter("assay_denials", "Reasons given in denials.", ["rule", "code"], registry=self.registry)
        self._closed = Counter(
            "assay_fail_closed", "Answers that are no because something failed.", ["cause"], registry=self.registry
        )
        self._refused = Counter("assay_refused", "Requests refused.", ["code"], registry=self.registry)
        self._engine = Histogram(
            "assay_engine_seconds", "Time the engine took.", buckets=_SECONDS, registry=self.registry
        )
        self._answer = Histogram(
            "assay_answer_seconds", "Time from request to recorded answer.", buckets=_SECONDS, registry=self.registry
        )
        # Children are looked up once: labels() costs more than the count itself.
        self._allowed, self._denied = self._decisions.labels("allow"), self._decisions.labels("deny")

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Show a value that is read when the metrics are."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def tell(self, name: str, help_text: str, value: Callable[[], dict[str, str]]) -> None:
        """Show a set of labels that is read when the metrics are."""
        self.registry.register(_Labels(name, help_text, value))

    def decided(self, decision: Decision, seconds: float) -> None:
        """Count a decision and the engine's time."""
        self._engine.observe(seconds)
        if decision.allow:
            self._allowed.inc()
            return
        self._denied.inc()
        for reason in decision.reasons:
            self._denials.labels(reason.rule, reason.code).inc()
            if reason.code.startswith("engine_"):
                self.failed_closed(reason.code)

    def answered(self, seconds: float) -> None:
        """Note the time an answer took."""
        self._answer.observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refused request."""
        self._refused.labels(code).inc()

    def failed_closed(self, cause: str) -> None:
        """Count an answer that is no because something failed."""
        self._closed.labels(cause).inc()

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Labels(Collector):
    """A metric whose value is 1 and whose labels tell something that may change."""

    def __init__(self, name: str, help_text: str, value: Callable[[], dict[str, str]]) -> None:
        self._name, self._help, self._value = name, help_text, value

    def collect(self) -> Iterator[InfoMetricFamily]:
        """Return the metric as it is now."""
        yield InfoMetricFamily(self._name, self._help, self._value())
