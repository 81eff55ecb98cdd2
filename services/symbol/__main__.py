"""python -m services.symbol SETTINGS TICKER"""

from services import pollloop, process
from services.symbol.core import SymbolCore

if __name__ == "__main__":
    with process.enter("symbol") as p:
        actor = p.actor(SymbolCore(p.ticker, p.settings), p.ledger())
        pollloop.run(actor, p.bus(), p.log)
