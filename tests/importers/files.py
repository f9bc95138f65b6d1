# ruff: noqa: E501
"""Small files as other programs write them, made from their public documentation: two to four rows each."""

from __future__ import annotations

KLINES_MS = (
    "1704067200000,42283.58,42298.62,42261.02,42298.61,35.92724,1704067259999,1519032.87,1327,23.18766,980394.97,0\n"
    "1704067260000,42298.62,42320.00,42298.61,42320.00,21.16779,1704067319999,895580.34,1348,13.47483,570080.95,0\n"
)
KLINES_HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"
KLINES_US = KLINES_MS.replace("1704067200000", "1735689600000000").replace("1704067260000", "1735689660000000").replace(
    "1704067259999", "1735689659999999").replace("1704067319999", "1735689719999999")  # fmt: skip

# name of the file, text, format, symbol, kind, first time, number of rows, some values of the first row
CASES: tuple[tuple[str, str, str, str, str, str, int, dict[str, object]], ...] = (
    ("BTCUSDT-1m-2024-01-01.csv", KLINES_MS, "binance-klines", "BTCUSDT", "bars", "2024-01-01T00:00", 2, {"open": 42283.58, "volume": 35.92724}),
    ("BTCUSDT-1m-2024-01-01.csv", KLINES_HEADER + KLINES_MS, "binance-klines", "BTCUSDT", "bars", "2024-01-01T00:00", 2, {"close": 42298.61}),
    ("ETHUSD_PERP-1m-2025-01.csv", KLINES_US, "binance-klines", "ETHUSD_PERP", "bars", "2025-01-01T00:00", 2, {"low": 42261.02}),
    ("x.csv", KLINES_MS, "binance-klines", "x", "bars", "2024-01-01T00:00", 2, {"high": 42298.62}),
    (
        "BTCUSDT-aggTrades-2024-01-01.csv",
        "26129,0.01633102,4.70443515,27781,27781,1704067200123,true,true\n26130,0.01633103,1.5,27782,27783,1704067200124,False,True\n",
        "binance-aggtrades-spot", "BTCUSDT", "trades", "2024-01-01T00:00:00.123", 2, {"price": 0.01633102, "size": 4.70443515, "side": "sell"},
    ),
    (
        "BTCUSDT-aggTrades-2024-01.csv",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n1,42313.9,0.034,4,4,1704067200030,false\n",
        "binance-aggtrades", "BTCUSDT", "trades", "2024-01-01T00:00:00.030", 1, {"side": "buy", "size": 0.034},
    ),
    (
        "BTCUSDT-trades-2024-01-01.csv", "28457,4.00000100,12.0,48.000012,1704067200866,true,true\n", "binance-trades-spot", "BTCUSDT", "trades",
        "2024-01-01T00:00:00.866", 1, {"price": 4.000001, "size": 12.0, "side": "sell"},
    ),
    (
        "BTCUSDT-trades-2024-01.csv", "id,price,qty,quote_qty,time,is_buyer_maker\n11,42313.9,0.003,126.9,1704067200047,false\n", "binance-trades",
        "BTCUSDT", "trades", "2024-01-01T00:00:00.047", 1, {"price": 42313.9, "size": 0.003, "side": "buy"},
    ),
    (
        "XBTUSD_1.csv", "1381095240,122.0,122.5,121.9,122.4,0.1,1\n1381095300,123.61,123.61,123.61,123.61,0.5,2\n", "kraken-ohlcvt", "XBTUSD", "bars",
        "2013-10-06T21:34", 2, {"open": 122.0, "volume": 0.1},
    ),
    (
        "XBTUSD.csv", "1381095255,122.0,0.1\n1616663618.1234,52000.5,0.25\n", "kraken-trades", "XBTUSD", "trades", "2013-10-06T21:34:15", 2,
        {"price": 122.0, "size": 0.1, "side": "none"},
    ),
    (
        "BTC-USD.json", "[[1704067260,100.0,104.0,101.0,103.0,5.5],[1704067200,99.0,103.0,100.0,101.0,2.5]]", "coinbase", "BTC-USD", "bars",
        "2024-01-01T00:00", 2, {"low": 99.0, "high": 103.0, "open": 100.0, "close": 101.0},
    ),
    (
        "ETH_USDT-5m.json", "[[1704067200000,100.0,103.0,99.0,101.0,2.5],[1704067500000,101.0,104.0,100.0,103.0,5.5]]", "freqtrade", "ETH_USDT", "bars",
        "2024-01-01T00:00", 2, {"open": 100.0, "volume": 2.5},
    ),
    ("candles.json", "[[1704067200000,100.0,103.0,99.0,101.0,2.5]]", "ccxt", "candles", "bars", "2024-01-01T00:00", 1, {"high": 103.0}),
    (
        "trades.json",
        '[{"timestamp":1704067200001,"datetime":"2024-01-01T00:00:00.001Z","symbol":"BTC/USDT","id":"7","side":"buy","price":42000.5,'
        '"amount":0.5,"cost":21000.25,"takerOrMaker":null,"fee":{}}]',
        "ccxt-trades", "BTC-USDT", "trades", "2024-01-01T00:00:00.001", 1, {"price": 42000.5, "side": "buy"},
    ),
    (
        "Binance_BTCUSDT_1h.csv",
        "https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount\n"
        "1704070800000,2024-01-01 01:00:00,BTCUSDT,42500,42600,42400,42550,10.5,446000,9\n"
        "1704067200000,2024-01-01 00:00:00,BTCUSDT,42283,42554,42261,42500,20.5,870000,9\n",
        "cryptodatadownload", "BTCUSDT", "bars", "2024-01-01T00:00", 2, {"open": 42283.0, "volume": 20.5},
    ),
    (
        "AAPL.csv", "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,187.15,188.44,183.89,185.64,184.9,82488700\n", "yfinance-adjusted", "AAPL",
        "bars", "2024-01-02T00:00", 1, {"close": 185.64, "volume": 82488700.0},
    ),
    (
        "prices.csv",
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n2024-01-02,185.64,188.44,183.89,187.15,82488700\n",
        "yfinance", "AAPL", "bars", "2024-01-02T00:00", 1, {"open": 187.15, "close": 185.64},
    ),
    (
        "MSFT.csv", "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2024-01-02 00:00:00-05:00,370.1,372.0,366.2,369.9,25258600,0.0,0.0\n",
        "yfinance-history", "MSFT", "bars", "2024-01-02T05:00", 1, {"open": 370.1},
    ),
    (
        "aapl.us.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\nAAPL.US,D,20240102,000000,187.15,188.44,183.89,185.64,82488700,0\n",
        "stooq", "AAPL.US", "bars", "2024-01-02T00:00", 1, {"open": 187.15, "volume": 82488700.0},
    ),
    ("spy_us_d.csv", "Date,Open,High,Low,Close,Volume\n2024-01-02,472.1,473.6,470.4,472.6,123007700\n", "table-bars", "spy_us_d", "bars",
     "2024-01-02T00:00", 1, {"close": 472.6}),
    (
        "DAT_ASCII_EURUSD_M1_2024.csv", "20240102 000000;1.10420;1.10430;1.10410;1.10425;0\n20240102 000100;1.10425;1.10440;1.10420;1.10430;0\n",
        "histdata", "EURUSD", "bars", "2024-01-02T05:00", 2, {"open": 1.1042},
    ),
    (
        "DAT_MT_EURUSD_M1_2024.csv", "2024.07.02,00:00,1.10420,1.10430,1.10410,1.10425,0\n", "histdata-metatrader", "EURUSD", "bars",
        "2024-07-02T05:00", 1, {"close": 1.10425},
    ),
    (
        "EURUSD_Candlestick_1_M_BID_01.01.2024-31.01.2024.csv",
        "Gmt time,Open,High,Low,Close,Volume\n01.02.2024 00:00:00.000,1.0817,1.0818,1.0816,1.08175,120.5\n", "dukascopy", "EURUSD", "bars",
        "2024-02-01T00:00", 1, {"open": 1.0817, "volume": 120.5},
    ),
    (
        "EURUSD_Candlestick_1_H_BID.csv",
        "Local time,Open,High,Low,Close,Volume\n01.02.2024 00:00:00.000 GMT+0100,1.0817,1.0818,1.0816,1.08175,120.5\n", "dukascopy-local", "EURUSD",
        "bars", "2024-01-31T23:00", 1, {"open": 1.0817},
    ),
    (
        "EURUSD_Ticks_01.02.2024.csv", "Gmt time,Ask,Bid,AskVolume,BidVolume\n01.02.2024 00:00:00.123,1.08174,1.08171,0.9,1.2\n", "dukascopy-ticks",
        "EURUSD", "books", "2024-02-01T00:00:00.123", 1, {"bid_px_0": 1.08171, "ask_sz_0": 0.9},
    ),
    (
        "book_snapshot_2.csv",
        "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1].price,asks[1].amount,"
        "bids[1].price,bids[1].amount\nbinance,BTCUSDT,1704067200123456,1704067200124000,42001,1,42000,2,42002,3,41999,4\n",
        "tardis-books", "BTCUSDT", "books", "2024-01-01T00:00:00.123456", 1, {"bid_px_1": 41999.0, "ask_sz_1": 3.0},
    ),
    (
        "trades.csv", "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\nbitmex,XBTUSD,1704067200123456,1704067200124000,a,sell,42000.5,10\n",
        "tardis-trades", "XBTUSD", "trades", "2024-01-01T00:00:00.123456", 1, {"side": "sell", "size": 10.0},
    ),
    (
        "es.mbp.csv",
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence,bid_px_00,ask_px_00,bid_sz_00,"
        "ask_sz_00,bid_ct_00,ask_ct_00,bid_px_01,ask_px_01,bid_sz_01,ask_sz_01,bid_ct_01,ask_ct_01,symbol\n"
        "1704067200000000009,1704067200000000001,10,1,5,A,B,0,4800250000000,1,0,1,7,4800250000000,4800500000000,11,12,1,1,"
        "4800000000000,9223372036854775807,9,0,1,0,ESH4\n",
        "databento-mbp", "ESH4", "books", "2024-01-01T00:00:00.000000009", 1, {"bid_px_0": 4800.25, "ask_px_0": 4800.5, "bid_px_1": 4800.0},
    ),
    (
        "es.trades.csv",
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence,symbol\n"
        "2024-01-01T00:00:00.000000009Z,2024-01-01T00:00:00.000000001Z,0,1,5,T,A,0,4800.250000000,3,0,1,7,ESH4\n",
        "databento-trades", "ESH4", "trades", "2024-01-01T00:00:00.000000001", 1, {"price": 4800.25, "size": 3.0, "side": "sell"},
    ),
    (
        "es.ohlcv.csv", "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
        "1704067200000000000,33,1,5,4800250000000,4801000000000,4800000000000,4800500000000,120,ESH4\n",
        "databento-ohlcv", "ESH4", "bars", "2024-01-01T00:00", 1, {"open": 4800.25, "volume": 120.0},
    ),
    (
        "BINANCE_BTCUSDT, 60.csv", "time,open,high,low,close,Volume,RSI\n1704067200,42283,42554,42261,42500,20.5,55.1\n", "tradingview", "BTCUSDT",
        "bars", "2024-01-01T00:00", 1, {"volume": 20.5},
    ),
    (
        "BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL.csv",
        "open,high,low,close,volume,ts_event,ts_init\n100,103,99,101,2.5,1704067260000000000,1704067260000000000\n", "nautilus-bars", "BTCUSDT", "bars",
        "2024-01-01T00:00", 1, {"open": 100.0},
    ),
    (
        "backtrader.csv", "Date;Time;Open;High;Low;Close;Volume\n2024-01-02;09:31:00;100,5;103,25;99,5;101,125;2500\n", "table-clock", "backtrader",
        "bars", "2024-01-02T09:31", 1, {"open": 100.5, "close": 101.125},
    ),
    ("days.csv", "Date;Open;High;Low;Close;Volume\n45293,5;100,5;103,25;99,5;101,125;2500\n", "table-bars", "days", "bars", "2024-01-02T12:00", 1,
     {"high": 103.25}),
    (
        "Gold.csv", '"Date","Price","Open","High","Low","Vol.","Change %"\n"01/31/2024","2,048.40","2,036.00","2,055.50","2,031.10","238.51K","0.8%"\n',
        "investing", "Gold", "bars", "2024-01-31T00:00", 1, {"close": 2048.4, "volume": 238510.0},
    ),
    (
        "AAPL_1722.csv", "Date,Close/Last,Volume,Open,High,Low\n07/31/2024,$222.08,50036260,$221.44,$223.82,$220.63\n", "nasdaq", "AAPL_1722",
        "bars", "2024-07-31T00:00", 1, {"open": 221.44, "close": 222.08, "volume": 50036260.0},
    ),
    (
        "sap.csv", "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen\n02.01.2024;139,50;141,20;138,98;140,00;1.000.900;140.126.000\n", "table-german",
        "sap", "bars", "2024-01-02T00:00", 1, {"open": 139.5, "close": 140.0, "volume": 1000900.0},
    ),
    (
        "dax.csv", '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n"05.01.2024","16.594,21","16.541,10","16.642,80","16.448,73","58,37M","-0,14%"\n',
        "table-german", "dax", "bars", "2024-01-05T00:00", 1, {"open": 16541.1, "close": 16594.21},
    ),
    (
        "index.txt", "Date;Open;High;Low;Close;Volume\n31.01.2024;22.100;22.400;22.000;22.300;1.000.900\n", "table-bars", "index", "bars",
        "2024-01-31T00:00", 1, {"open": 22100.0, "close": 22300.0, "volume": 1000900.0},
    ),
    (
        "kurse.csv", "Datum;Open;High;Low;Close;Volume\n31.01.2024;1.234,5;1.240,25;1.230,0;1.235,0;1.000\n".replace("Datum", "Date"),
        "table-bars", "kurse", "bars", "2024-01-31T00:00", 1, {"open": 1234.5},
    ),
    (
        "bitstampUSD.csv",
        "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency)\n1704067200,4,5,3,4.5,0.5,2\n1704067260,5,5,5,5,1,5\n", "table-bars",
        "bitstampUSD", "bars", "2024-01-01T00:00", 2, {"close": 4.5, "volume": 0.5},
    ),
)  # fmt: skip
