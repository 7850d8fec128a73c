mod gossip;
mod hostile;
mod net;
mod peers;
mod pure;
mod requests;
