"""Problems: data, model, loss and evaluation; with a budget and a score they are tasks."""
