"""Is a network's arithmetic compared with what the GPU could do?"""

from bench.what import matrix_rate


def test_the_rate_of_matrix_products_is_that_of_numpy_or_so():
    rate = matrix_rate.matrix_rate("float32", size=512, products=4)
    assert 1e9 < rate < 1e13


def test_speed_is_compared_with_the_gpu(monkeypatch):
    monkeypatch.setattr(matrix_rate, "has_gpu", lambda: False)
    assert matrix_rate.compare_with_matrix_rate(10.0, "float32") == {}
    monkeypatch.setattr(matrix_rate, "has_gpu", lambda: True)
    monkeypatch.setattr(matrix_rate, "matrix_rate", {"bfloat16": 8e14}.get)
    rates = matrix_rate.compare_with_matrix_rate(40_000, "bfloat16")
    assert rates == {"matrix_gflop_per_second": 800_000, "of_matrix_rate": 0.05}
