-- Whether a conversation is of the period, not of the one before it.
(call_datetime >= {from:DateTime64(6, 'UTC')})::Bool AS current
