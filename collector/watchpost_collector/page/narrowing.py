"""The conditions that every reading of the page is narrowed by; values are bound, an empty one
narrows nothing. It knows no table."""

from __future__ import annotations

SINCE = "fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
UNTIL = "fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
OF_PROJECT = "({project:String} = '' or project = {project:String})"
PICKED = f"""{OF_PROJECT}
    and ({{service:String}} = '' or service = {{service:String}})
    and ({{environment:String}} = '' or environment = {{environment:String}})
    and ({{model:String}} = '' or model = {{model:String}})
    and ({{prompt:String}} = '' or prompt_name = {{prompt:String}})"""
