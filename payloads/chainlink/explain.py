from payloads.verdict import Explanation
def explain(call): return Explanation()
