// What an application does that was written for the SMTP service of Windows: no log-in, no TLS, one message.
//   mono SendMail.exe HOST PORT FROM TO SUBJECT
using System;
using System.Net.Mail;

static class SendMail {
  static int Main(string[] args) {
    try {
      using (var client = new SmtpClient(args[0], int.Parse(args[1]))) {
        client.DeliveryMethod = SmtpDeliveryMethod.Network;
        client.UseDefaultCredentials = false;
        client.Timeout = 20000;
        client.Send(new MailMessage(args[2], args[3], args[4], "Grüße from an application.\n.a line with a dot\n"));
      }
      Console.WriteLine("sent");
      return 0;
    } catch (Exception error) {
      Tell(error);
      return 1;
    }
  }

  // What a program shows its user: the text of the error, of each recipient's where there are some, and of what caused it.
  static void Tell(Exception error) {
    var smtp = error as SmtpException;
    Console.WriteLine(error.GetType().Name + (smtp == null ? "" : " " + (int)smtp.StatusCode) + ": " + error.Message);
    var recipients = error as SmtpFailedRecipientsException;
    if (recipients != null) {
      foreach (var each in recipients.InnerExceptions) Tell(each);
    } else if (error.InnerException != null) {
      Tell(error.InnerException);
    }
  }
}
